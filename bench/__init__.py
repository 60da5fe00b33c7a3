"""The benchmarks behind bin/bench: each sets up all that it needs, stops all that it started, compares two things in
one run, and prints one JSON object last."""
