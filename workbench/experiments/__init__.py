"""What a change of policy was worth."""
