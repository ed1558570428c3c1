"""Number types, functions and matrices of numbers, sums with their k and M, error budgets and running error bounds."""
