"""The golden suite: what a warp should compute, element by element, with an error budget for each element.

    operations  the calls that can be asked, and what a target looks like
    cases       what is asked: calls of one operation each, with exact inputs and a comment that says why
    truth       what the answer is: `refwarp.exact` on rational numbers or balls
    build       cases and truth put together, and checked
    format      the file, HDF5, and its reader, which trusts nothing
    export      the same as JSON, for languages without HDF5
    grades      what an error is worth: faithful, working precision, wrong
    verify      a target's answers, graded; `report` prints them
    targets     what can be verified: modules with functions of documented names

Everything but the targets knows exact arithmetic only, and none of the kernels that it judges.
"""

from pathlib import Path

# The suite that ships with the package, and the same as JSON.
SUITE = Path(__file__).with_name("suite.h5")
SUITE_AS_JSON = Path(__file__).with_name("suite.json.gz")
