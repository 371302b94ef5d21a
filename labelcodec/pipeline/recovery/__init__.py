"""Recover: images that a teacher takes for its training data, by class.

`settings` has the parameters, `jobs` the batches that are recovered together, `objective` what is
minimised, `synthesis` the loop over iterations, and `recovering` the run over all batches.
"""
