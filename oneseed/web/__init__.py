"""What stands between the network and any application, the page and the API alike.

The gate takes a request or refuses it (hosts, visit, headers, answer are its parts), server listens
and answers, storage keeps a folder of strangers' files small, inputs checks the values they send.
Nothing here knows a page, a route or a model.
"""
