"""Values and the rules on them. No I/O, no clock, no environment: everything comes in as an argument."""
