"""Fault campaigns: many damaged inputs, and no end but an answer or an error of ours."""
