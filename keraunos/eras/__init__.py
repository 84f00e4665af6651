"""The generations of Keras: their names, defaults, arithmetic and display.

``table`` holds what differed, ``translate`` reads it for the library, and
``install`` puts the names under ``import keras``.
"""
