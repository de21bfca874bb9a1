"""Alipay's open platform: the one gateway, RSA2 signatures, face-to-face payment by QR code.

Sources: the pages of alipay.trade.precreate, .query, .close, .refund and .fastpay.refund.query, the gateway's common
error codes, and the asynchronous notification of face-to-face payment, all at opendocs.alipay.com.
"""
