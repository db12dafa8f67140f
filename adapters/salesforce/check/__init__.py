"""What `isthmus check` tries at an org."""
