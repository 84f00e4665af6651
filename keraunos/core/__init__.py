"""What a layer, a metric and an optimizer have in common: Variables, Scope, fields, tables, symbolic tensors."""
