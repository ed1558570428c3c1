"""The decoder of dense transformer networks, its holes, and the code released by the authors."""
