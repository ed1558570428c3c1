"""The dense transformer's decoder, its holes, and the authors' programs."""
