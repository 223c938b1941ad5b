"""What `torghut doctor` looks at: one function per question, listed in `questions`."""
