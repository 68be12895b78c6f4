"""Evaluation of each model, with intervals, and selection of the champion."""
