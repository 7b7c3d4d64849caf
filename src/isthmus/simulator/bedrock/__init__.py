"""Amazon Bedrock's Converse, whole and as its binary event stream, and its counting of tokens."""
