"""Labels for a sample of documents, by a language model or by a person, from which a filter is learned."""
