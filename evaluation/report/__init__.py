"""One page out of results files: what was converted, what it cost and what it gained."""
