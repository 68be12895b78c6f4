"""The interface to Snakemake and DVC."""
