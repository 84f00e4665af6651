"""What can be used to train a small network on a CPU, by family; each trains the same workloads."""
