"""What an auditor asks of the evidence as a whole."""
