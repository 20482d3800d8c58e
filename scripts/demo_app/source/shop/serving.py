"""How gunicorn serves the shop: `gunicorn --config python:shop.serving shop:app`."""

workers = 2
graceful_timeout = 45
control_socket_disable = True
