"""AutoGluon beside twinlens: the same weights, pictures, texts and pairs, in one run."""
