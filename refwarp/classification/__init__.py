"""One's own pictures by class: read, learnt by a network that may warp, kept with all that tells how, and predicted."""
