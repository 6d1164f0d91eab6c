"""The networks and the pictures that the benchmarks use; made at run time, never kept here."""
