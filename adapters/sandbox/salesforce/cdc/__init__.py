"""Change Data Capture: schemas, bitmaps, events and the bus that carries them."""
