"""What a graph computes in: which nodes may change their type, and the passes that change them."""
