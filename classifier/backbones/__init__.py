"""Image -> feature map, one network a file. Parameters are named as torchvision names them."""
