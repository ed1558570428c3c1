"""A Dask cluster of two worker processes, as a program: it prints its address, and does what it is told.

A line "scale N" changes how many workers there are; at the end of its input it ends.
"""

import sys

from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        print(cluster.scheduler_address, flush=True)
        for line in sys.stdin:
            cluster.scale(int(line.removeprefix("scale ")))
