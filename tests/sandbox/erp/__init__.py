"""Tests of the sample ERP."""
