"""What families share to know the truth about a case: `refwarp.exact` on rational numbers or balls, rounded once."""
