"""Tests of one whole installation; a package, so that it stops as soon as they are done."""
