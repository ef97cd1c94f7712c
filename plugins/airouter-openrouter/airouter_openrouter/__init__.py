"""The OpenRouter provider of airouter: many vendors' models behind one key, with prices and costs."""
