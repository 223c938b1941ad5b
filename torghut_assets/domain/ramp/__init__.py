"""The live ramp: capital in steps, each with evidence, limits and two persons' signatures."""
