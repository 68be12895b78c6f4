"""How good each model is, with intervals, and which one is the champion."""
