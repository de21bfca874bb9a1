"""WeChat Pay, API version 3, of a direct merchant: native (QR code), h5, jsapi and app.

Sources: the pages of the payment, refund and bill interfaces, of signing and verifying, and of the notifications, at
pay.weixin.qq.com/doc/v3/merchant.

Choices where the real platform is vague, or cannot be had:

- A code_url, an h5_url and a prepay_id all lead to the sandbox's cashier; the first two are its address.
- A request that names the public key's id (Wechatpay-Serial) is answered with a signature of that key, any other with
  one of the platform's certificate; a trade's notifications are signed as its creation was answered.
- What is dated by the merchant's clock (time_expire) counts from the merchant's time, though the sandbox's runs ahead.
- The same out_trade_no with the same amount and product gives the same code again; with others, OUT_TRADE_NO_USED.
- A refund is PROCESSING for a second of the sandbox's time, then SUCCESS unless faults have it otherwise.
- A day's bill is there when the day is over in Beijing; a day without a trade has none.
"""
