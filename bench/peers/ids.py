"""The token ids that every peer processes."""


def token_ids(n):
    return [1000 + 37 * i % 20000 for i in range(n)]
