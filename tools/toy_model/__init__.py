"""Make the toy language model that airouter ships: corpus, tokenizer, training, GGUF, examination."""
