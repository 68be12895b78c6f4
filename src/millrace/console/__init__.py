"""What people call and read: the summary of a run, costs, reproduction."""
