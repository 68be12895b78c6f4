"""The interface to Snakemake and DVC: the job, its resources, the two drivers."""
