"""Commands for people: the summary of a job, costs, reproduction."""
