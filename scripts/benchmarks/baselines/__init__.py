"""What `fit` is compared with: bare loops, Lightning as its introductions teach it, other people's projects."""
