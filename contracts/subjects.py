"""The mixins that give a payload its CloudEvents subject."""

from __future__ import annotations


def order_key(shop_id: str, order_id: str) -> str:
    """The identity of an order across shops; neither part may contain a slash."""
    return f"{shop_id}/{order_id}"


class OfOrder:
    shop_id: str
    order_id: str

    @property
    def key(self) -> str:
        return order_key(self.shop_id, self.order_id)

    def about(self) -> str:
        return f"order/{self.shop_id}/{self.order_id}"


class OfProduct:
    product_id: int

    def about(self) -> str:
        return f"product/{self.product_id}"


class OfCategory:
    category_id: int

    def about(self) -> str:
        return f"category/{self.category_id}"


class OfTag:
    tag_id: int

    def about(self) -> str:
        return f"tag/{self.tag_id}"


class OfDistributor:
    distributor_id: int

    def about(self) -> str:
        return f"distributor/{self.distributor_id}"


class OfShop:
    shop_id: str

    def about(self) -> str:
        return f"shop/{self.shop_id}"


class OfTeam:
    team_id: int

    def about(self) -> str:
        return f"team/{self.team_id}"
