"""Training: data becomes batches, objectives become one loss, and many steps become one program."""
