"""The serving modes beside real-time REST, which the gateway answers by itself: records, verbs and tasks."""
