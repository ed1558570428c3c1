"""The equations once more, in exact arithmetic: the judge of everything else.

Each file has the name of the operation that it judges. The functions are plain loops over nested lists of
numbers, number-generic: they run on `fractions.Fraction` (exactly), on dual numbers (and so differentiate
themselves), on floats and on complex numbers. They import nothing of what they judge.

Two files are shared by several samplers: `sampling` (the sums over what each pixel contributes) and `padding`. What is
no operation stands in `arithmetic`, and `ledger` finds the equations' entries, at the end of each file.
"""
