"""What the families' `truth.py` share: `refwarp.exact` on rational numbers or balls, budgets, sensitivities, seams."""
