"""The main job, `refwarp tour`: verified kernels, networks that learn on real digits, and a report of both."""
