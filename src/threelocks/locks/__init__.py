"""One file per lock; the table LOCKS lists them."""
