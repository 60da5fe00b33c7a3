"""The audit record: what people changed, saw and were refused; append-only, and chained, by the database itself."""
