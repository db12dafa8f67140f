"""The pure core: examples that can be read, and properties that hold for everything."""
