"""What Snakemake and DVC are told: the job, its resources, the two drivers."""
